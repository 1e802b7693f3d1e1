"""What people look at: grids on a terminal, pictures, pages."""

"""What people look at: terminal, pictures, pages."""

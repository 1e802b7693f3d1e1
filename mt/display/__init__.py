"""Output for people: grids on a terminal, pictures, pages."""

"""What a monitor script imports."""

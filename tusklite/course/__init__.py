"""What the lessons need: figures that several share, how checks answer, and a room for each lesson, under its name."""

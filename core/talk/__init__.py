"""What is shown to people in a room: stories, their scenes, and a story as one HTML file."""

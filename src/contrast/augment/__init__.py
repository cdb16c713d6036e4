"""Changes of whole batches of images, each image with its own draws."""

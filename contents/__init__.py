"""What a gift is packed with: pictures, sounds and barcodes. It knows nothing of people and of value."""

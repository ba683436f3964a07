"""Files and folders that are there whole or not at all, whatever stops the process that writes them."""

"""What `import alexnet_tf` hands out."""

"""What the outputs of a network are called, for training and for evaluation."""

METRICS = ('loss', 'top1_error', 'top5_error')  # in the order of every array of metrics
TOP_K = 5  # classes in a prediction, and in the top-5 error
VIEWS = {'1': 1, '10': 10, 'nine': 9}  # name on the command line -> views of an image

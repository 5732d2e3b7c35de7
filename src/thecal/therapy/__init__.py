"""What is ordered: mixture, program, the review of an order, the arithmetic around it, and the sentence."""

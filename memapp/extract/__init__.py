"""From passages to the phrases they speak of."""

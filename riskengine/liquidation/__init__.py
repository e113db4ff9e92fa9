"""What happens when the demand is not met: partial close, insurance fund, socialised loss."""

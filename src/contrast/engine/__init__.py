"""What a loop is made of: the machine's plan, batches, the step, the state, evaluation, the clock."""

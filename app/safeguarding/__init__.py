"""What may have to happen at any step: action, safety plans, contact, duties that only an answer closes (H2)."""

"""From recalled passages to a cited answer: prompt, cite, confidence. Pure functions, one step each."""

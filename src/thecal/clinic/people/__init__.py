"""The staff: who somebody is, what each role may do, and how people sign in and stay signed in."""

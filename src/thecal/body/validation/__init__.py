"""What papers measured, held against the model: cases as data, what is read off a run, and the verdict.

Comes in: a TOML file of cases in a small vocabulary. Goes out: for each check the model's number, its ratio to the
paper's and whether it lies inside. Nothing here changes a parameter of the model, and a case that is outside, or that
cannot be run, is shown as such and never left out. No proof, and nothing here is fit for dosing decisions.
"""

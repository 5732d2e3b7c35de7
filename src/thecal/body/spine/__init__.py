"""From the tip of the catheter to the brain: geometry, physiology and kinetics become one linear system for each drug.

Comes in: a person's ``Physiology``, a drug's ``Kinetics``, where the tip lies. Goes out: a ``Neuraxis``, which is a
system of rates with the places in it. All numbers are data with their sources; nothing here is fit for dosing.
"""

# SPDX-License-Identifier: GPL-3.0-or-later
"""How close is equal: the measures of tests/golden/MAKING.md."""

import unittest

import numpy


def logits_error(ours, theirs):
    """Largest over positions of max|a-b| / max|b|, both over the vocabulary."""
    difference = numpy.abs(ours - theirs).max(axis=1)
    return float((difference / numpy.abs(theirs).max(axis=1)).max())


class ComparisonTest(unittest.TestCase):
    def assertSameLogits(self, ours, theirs, limit=1e-4):
        self.assertEqual(ours.shape, theirs.shape)
        error = logits_error(ours, theirs)
        self.assertLess(error, limit, "relative error of logits")

    def assertOtherLogits(self, one, other):
        """They must not be equal: what was compared would prove nothing."""
        self.assertGreater(logits_error(one, other), 1e-2)

    def assertSameTensors(self, ours, theirs, limit=1e-6):
        """By name; the difference relative to a tensor's largest element."""
        self.assertEqual(sorted(ours), sorted(theirs))
        for name in ours:
            self.assertEqual(ours[name].shape, theirs[name].shape, name)
            largest = max(float(numpy.abs(theirs[name]).max()), 1e-30)
            error = float(numpy.abs(ours[name] - theirs[name]).max()) / largest
            self.assertLessEqual(error, limit, name)

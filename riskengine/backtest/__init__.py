"""Tests of breach counts against the nominal rate: exact where the null law can be enumerated."""

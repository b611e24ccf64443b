//! The tests of the layers.

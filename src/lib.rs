//! A Tower service stack for generative-AI HTTP APIs.
#![cfg_attr(docsrs, feature(doc_cfg))]
// Of the library, not of its tests and examples.
#![cfg_attr(
    not(test),
    warn(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::print_stdout,
        clippy::print_stderr,
        clippy::exit
    )
)]

#[doc(inline)]
pub use blossom_layers as layers;

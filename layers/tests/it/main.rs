//! The tests of the layers.

#[cfg(all(feature = "full", feature = "test-util"))]
mod breaker;
#[cfg(all(feature = "cache-memory", feature = "observe", feature = "test-util"))]
mod cache;
#[cfg(all(feature = "coalesce", feature = "timeout", feature = "test-util"))]
mod coalesce;
#[cfg(all(feature = "full", feature = "test-util"))]
mod concurrency;
#[cfg(all(feature = "full", feature = "test-util"))]
mod contract;
#[cfg(all(feature = "full", feature = "test-util"))]
mod figures;
#[cfg(all(feature = "full", feature = "test-util"))]
mod metrics;
#[cfg(all(unix, feature = "cache-disk", feature = "cache-memory"))]
mod processes;
#[cfg(all(feature = "full", feature = "test-util"))]
mod rate;
#[cfg(all(feature = "full", feature = "test-util"))]
mod retry;
#[cfg(all(feature = "full", feature = "test-util"))]
mod savings;
#[cfg(feature = "sse")]
mod sse;
#[cfg(all(feature = "full", feature = "test-util"))]
mod storm;
#[cfg(all(unix, feature = "cache-disk", feature = "cache-memory"))]
mod tiers;
#[cfg(feature = "tokens-bpe")]
mod tokens;
#[cfg(all(feature = "full", feature = "test-util"))]
mod trace;

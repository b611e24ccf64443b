use std::{fmt, io, time::SystemTime};

/// What the tier asks of the world: the wall clock, and whether an operation on a file may go on.
///
/// The real one lets all go on. Tests put another in its place, which fails as a disk fails, or hangs as
/// one hangs.
pub(super) trait Outside: Send + Sync + fmt::Debug + 'static {
    /// Called before each operation, on the thread that will do it.
    fn before(&self, operation: Operation) -> io::Result<()> {
        let _ = operation;
        Ok(())
    }

    /// The wall clock, which survives the process and may jump.
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// An operation on a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Open,
    Read,
    Write,
    Sync,
    Remove,
}

/// The world as it is.
#[derive(Debug)]
pub(super) struct Real;

impl Outside for Real {}

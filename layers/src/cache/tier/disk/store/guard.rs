//! What stands between a panic of the engine and the rest of the process.
//!
//! Nothing reaches redb that it did not write, so it has no reason to panic. Should it do so all the
//! same, that ends on the thread where it happens, as a miss, and the index is made anew.

use std::{
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use redb::Database;

use super::{Failure, index::Index};

/// The database, and whether it has panicked.
#[derive(Debug)]
pub(super) struct Guarded {
    // `None` once it is closed.
    database: Option<Database>,
    panicked: AtomicBool,
}

impl Guarded {
    pub(super) fn open(file: Index, cache_bytes: usize) -> Result<Self, Failure> {
        let database = caught(|| {
            let mut builder = redb::Builder::new();
            let builder = builder.set_cache_size(cache_bytes);
            builder.create_with_backend(file).map_err(redb::Error::from)
        });
        Ok(Self {
            database: Some(database.ok_or_else(broken)??),
            panicked: AtomicBool::new(false),
        })
    }

    /// Runs something on the database, which is not asked again once it has panicked: its locks are
    /// not what they were.
    pub(super) fn run<T>(
        &self,
        run: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let database = self.database.as_ref();
        let database = database.filter(|_| !self.panicked.load(Relaxed));
        let database = database.ok_or_else(broken)?;
        caught(|| run(database)).unwrap_or_else(|| {
            self.panicked.store(true, Relaxed);
            Err(broken())
        })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let database = self.database.take();
        if self.panicked.load(Relaxed) {
            // Closing it could panic again, or wait for a lock for ever. It keeps its memory and its
            // file, which has no name any more.
            let _forgotten = ManuallyDrop::new(database);
        } else {
            // What was committed stays whatever comes of this.
            caught(|| drop(database));
        }
    }
}

/// Lends `value` and drops it afterwards, but not if `run` panics: what the engine does when its
/// transactions and tables are dropped can panic again where something has panicked, and a panic while
/// unwinding ends the process.
pub(super) fn lend<T, R>(value: T, run: impl FnOnce(&mut T) -> R) -> R {
    let mut value = ManuallyDrop::new(value);
    let result = run(&mut value);
    drop(ManuallyDrop::into_inner(value));
    result
}

fn caught<T>(run: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(run)).ok()
}

fn broken() -> Failure {
    Failure::Corrupt(PANICKED.to_owned())
}

pub(in crate::cache::tier::disk) const PANICKED: &str = "the engine of the index panicked";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use redb::{ReadableDatabase, TableDefinition};

    use super::*;
    use crate::cache::tier::disk::outside::{Operation, Outside};

    const TABLE: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("table");

    /// Panics in the midst of the engine when it is told to.
    #[derive(Debug, Default)]
    struct Panicking(AtomicBool);

    impl Outside for Panicking {
        fn before(&self, _: Operation) -> std::io::Result<()> {
            assert!(!self.0.load(Relaxed), "as told");
            Ok(())
        }
    }

    fn guarded() -> (Guarded, Arc<Panicking>) {
        let outside = Arc::<Panicking>::default();
        let file = Index::open(tempfile::tempfile().unwrap(), outside.clone()).unwrap();
        let guarded = Guarded::open(file, 1 << 20).unwrap();
        guarded.run(|index| write(index, 0..100)).unwrap();
        (guarded, outside)
    }

    /// More than is kept in memory, so that some is written before the commit.
    fn write(index: &Database, numbers: std::ops::Range<u64>) -> Result<(), Failure> {
        let begun = index.begin_write().map_err(redb::Error::from)?;
        let mut transaction = ManuallyDrop::new(begun);
        transaction.set_quick_repair(true);
        let table = transaction.open_table(TABLE).map_err(redb::Error::from)?;
        lend(table, |table| {
            for number in numbers {
                table.insert(number, &[7; 20_000][..])?;
            }
            Ok::<_, redb::Error>(())
        })?;
        let transaction = ManuallyDrop::into_inner(transaction);
        Ok(transaction.commit().map_err(redb::Error::from)?)
    }

    fn read(index: &Database, number: u64) -> Result<usize, Failure> {
        lend(
            index.begin_read().map_err(redb::Error::from)?,
            |transaction| {
                let table = transaction.open_table(TABLE).map_err(redb::Error::from)?;
                lend(table, |table| {
                    let found = table.get(number).map_err(redb::Error::from)?;
                    Ok(found.map_or(0, |found| found.value().len()))
                })
            },
        )
    }

    #[test]
    fn an_engine_that_panics_is_corruption_and_is_not_asked_again() {
        for reading in [true, false] {
            let (guarded, outside) = guarded();
            assert_eq!(guarded.run(|index| read(index, 1)).unwrap(), 20_000);
            outside.0.store(true, Relaxed);

            let failed = if reading {
                // Not all of them are in memory.
                (0..100).find_map(|number| guarded.run(|index| read(index, number)).err())
            } else {
                guarded.run(|index| write(index, 100..200)).err()
            };
            assert!(matches!(failed, Some(Failure::Corrupt(says)) if says == PANICKED));

            outside.0.store(false, Relaxed);
            let mut asked = false;
            let again = guarded.run(|_| {
                asked = true;
                Ok(())
            });
            assert!(again.is_err() && !asked);
        }
    }

    struct Panics;

    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("again");
        }
    }

    #[test]
    fn what_panics_when_it_is_dropped_does_not_end_the_process() {
        let lent = caught(|| lend(Panics, |_| panic!("first")));
        assert!(lent.is_none());
        assert!(caught(|| lend(Panics, |_| ())).is_none());
    }

    #[test]
    fn what_was_lent_is_dropped() {
        let value = std::rc::Rc::new(());
        assert_eq!(
            lend(value.clone(), |value| std::rc::Rc::strong_count(value)),
            2
        );
        assert_eq!(std::rc::Rc::strong_count(&value), 1);
    }
}

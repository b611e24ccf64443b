//! A million calls and bodies that are cut short at any point: permits and reservations come back to rest.
//!
//! What the suite of the layers does, a hundred times as often.

#[path = "../../../../tests/it/storm.rs"]
mod storm;

fn main() {
    storm::cancel(1_000_000);
    println!("a million cancellations, and nothing is left");
}

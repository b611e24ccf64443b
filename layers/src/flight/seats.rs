use crate::types::Deadline;

/// The readers of a flight, by number.
#[derive(Default)]
pub(super) struct Seats {
    all: Vec<Option<Seat>>,
    free: Vec<usize>,
    taken: usize,
}

/// One reader.
pub(super) struct Seat {
    /// The number of the frame that is read next.
    pub(super) next: usize,
    /// Whether it has the trailers.
    pub(super) trailers: bool,
    /// Whether it was left behind.
    pub(super) lagged: bool,
    /// Whether it began the flight.
    pub(super) creator: bool,
    pub(super) deadline: Option<Deadline>,
}

impl Seats {
    pub(super) fn take(&mut self, deadline: Option<Deadline>) -> usize {
        let seat = Seat {
            next: 0,
            trailers: false,
            lagged: false,
            creator: self.all.is_empty(),
            deadline,
        };
        self.taken += 1;
        if let Some(free) = self.free.pop()
            && let Some(place) = self.all.get_mut(free)
        {
            *place = Some(seat);
            return free;
        }
        self.all.push(Some(seat));
        self.all.len() - 1
    }

    pub(super) fn leave(&mut self, seat: usize) -> Option<Seat> {
        let left = self.all.get_mut(seat)?.take()?;
        self.free.push(seat);
        self.taken -= 1;
        Some(left)
    }

    pub(super) fn get_mut(&mut self, seat: usize) -> Option<&mut Seat> {
        self.all.get_mut(seat)?.as_mut()
    }

    /// How many there are.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.all.iter_mut().flatten()
    }

    /// What each reads next.
    pub(super) fn next(&self) -> impl Iterator<Item = usize> {
        self.all.iter().flatten().map(|seat| seat.next)
    }

    /// How many there are that are not left behind.
    pub(super) fn reading(&self) -> usize {
        self.all
            .iter()
            .flatten()
            .filter(|seat| !seat.lagged)
            .count()
    }

    /// The latest deadline, or `None` if one has none.
    pub(super) fn latest_deadline(&self) -> Option<Deadline> {
        let mut latest = None;
        for seat in self.all.iter().flatten() {
            latest = latest.max(Some(seat.deadline?));
        }
        latest
    }
}

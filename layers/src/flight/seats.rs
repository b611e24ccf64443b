use crate::types::Deadline;

/// The readers of a flight, by number. The one who began it has number 0, which nobody else gets.
pub(super) struct Seats {
    // Most flights have one reader, who then needs no list.
    first: Option<Seat>,
    others: Vec<Option<Seat>>,
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

impl Seat {
    const fn new(creator: bool, deadline: Option<Deadline>) -> Self {
        Self {
            next: 0,
            trailers: false,
            lagged: false,
            creator,
            deadline,
        }
    }
}

impl Seats {
    /// With the one who begins the flight.
    pub(super) const fn new(deadline: Option<Deadline>) -> Self {
        Self {
            first: Some(Seat::new(true, deadline)),
            others: Vec::new(),
            free: Vec::new(),
            taken: 1,
        }
    }

    /// Takes a seat for another.
    pub(super) fn take(&mut self, deadline: Option<Deadline>) -> usize {
        let seat = Seat::new(false, deadline);
        self.taken += 1;
        if let Some(free) = self.free.pop()
            && let Some(place) = self.others.get_mut(free - 1)
        {
            *place = Some(seat);
            return free;
        }
        self.others.push(Some(seat));
        self.others.len()
    }

    pub(super) fn leave(&mut self, seat: usize) -> Option<Seat> {
        let left = self.place(seat)?.take()?;
        if seat > 0 {
            self.free.push(seat);
        }
        self.taken -= 1;
        Some(left)
    }

    pub(super) fn get_mut(&mut self, seat: usize) -> Option<&mut Seat> {
        self.place(seat)?.as_mut()
    }

    fn place(&mut self, seat: usize) -> Option<&mut Option<Seat>> {
        match seat.checked_sub(1) {
            None => Some(&mut self.first),
            Some(index) => self.others.get_mut(index),
        }
    }

    fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.first.iter().chain(self.others.iter().flatten())
    }

    /// How many there are.
    pub(super) const fn taken(&self) -> usize {
        self.taken
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Seat> {
        self.first
            .iter_mut()
            .chain(self.others.iter_mut().flatten())
    }

    /// What each reads next.
    pub(super) fn next(&self) -> impl Iterator<Item = usize> {
        self.iter().map(|seat| seat.next)
    }

    /// How many there are that are not left behind.
    pub(super) fn reading(&self) -> usize {
        self.iter().filter(|seat| !seat.lagged).count()
    }

    /// The latest deadline, or `None` if one has none.
    pub(super) fn latest_deadline(&self) -> Option<Deadline> {
        let mut latest = None;
        for seat in self.iter() {
            latest = latest.max(Some(seat.deadline?));
        }
        latest
    }
}

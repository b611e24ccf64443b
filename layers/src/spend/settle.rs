use std::{error::Error, fmt};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::Frame;

use super::ledger::Reservation;
use crate::{
    body::{End, Guard},
    types::{CacheStatus, Held, Nanos, Outcome, Price, Quote, Record},
};

/// Hangs on a call and its body until what it costs is known.
///
/// ```
/// # use http::Request;
/// # use tower::{Layer as _, ServiceExt as _};
/// use blossom_layers::{
///     body::Guarded,
///     spend::{Settle, SpendLayer},
///     test_util::{ScriptedBody, ScriptedService},
///     types::{Nanos, Quote, Record},
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), blossom_layers::BoxError> {
/// let spend = SpendLayer::new(|_: &Quote, _: &Record| Some(Nanos(40)));
/// let service = spend.layer(ScriptedService::once(ScriptedBody::new()));
/// let response = service.oneshot(Request::new(())).await?;
/// let body: Guarded<ScriptedBody, Settle<_>> = response.into_body();
/// assert_eq!(spend.handle().totals().spent, Nanos::ZERO);
/// drop(body);
/// assert_eq!(spend.handle().totals().spent, Nanos(40));
/// # Ok(())
/// # }
/// ```
pub struct Settle<P: Price> {
    // `None` for a call that costs nothing. Boxed, since it is moved through the stack with the body.
    ticket: Option<Box<Ticket<P>>>,
}

pub(super) struct Ticket<P> {
    pub(super) reservation: Reservation,
    pub(super) price: P,
    pub(super) quote: Quote,
    pub(super) outcome: Option<Outcome>,
    // Says of a request that was passed on whether it waits in a queue further in.
    pub(super) held: Held,
}

impl<P: Price> Settle<P> {
    pub(super) fn new(ticket: Option<Ticket<P>>) -> Self {
        Self {
            ticket: ticket.map(Box::new),
        }
    }

    /// Looks at the head. What failed costs nothing; what was paid for before is a saving.
    pub(super) fn head<R>(&mut self, response: &Response<R>) {
        let paid = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
        let status = response.extensions().get::<CacheStatus>();
        let free = matches!(
            status,
            Some(CacheStatus::Hit | CacheStatus::Stale | CacheStatus::Coalesced)
        );
        if !paid || free {
            self.ticket = None;
        } else if let Some(ticket) = &mut self.ticket {
            ticket.outcome = response.extensions().get::<Outcome>().cloned();
        }
    }

    /// The call failed before its head came.
    pub(super) fn failed(&mut self, error: &(dyn Error + 'static)) {
        if let Some(ticket) = self.ticket.take()
            && !ticket.price.is_unsent(error)
        {
            ticket.settle(End::Failed);
        }
    }

    /// The call was given up after it was passed on, and before its head came. What had not left, since
    /// it was held back, costs nothing.
    pub(super) fn dropped(&mut self) {
        if let Some(ticket) = self.ticket.take()
            && !ticket.held.is_held()
        {
            ticket.settle(End::Dropped);
        }
    }
}

impl<P: Price> Ticket<P> {
    fn settle(self, end: End) {
        let Self {
            reservation,
            price,
            quote,
            outcome,
            ..
        } = self;
        // Without a price of the reply it has cost what it was quoted at; without either, it is not
        // known.
        let settle = |record: &mut Record| {
            let cost = price.price(&quote, record).or(quote.most);
            record.cost = cost;
            let model = record.model.as_deref().or(quote.model.as_deref());
            reservation.settle(model, cost);
        };
        match &outcome {
            Some(outcome) => outcome.update(settle),
            None => settle(&mut Record {
                end: Some(end),
                ..Record::default()
            }),
        }
    }
}

impl<P: Price> Guard for Settle<P> {
    /// A reader may have all it wants before the body ends: then the cost is known as soon as the
    /// usage is. The books wait for the end.
    fn frame(&mut self, _frame: &Frame<Bytes>) {
        if let Some(Ticket {
            price,
            quote,
            outcome: Some(outcome),
            ..
        }) = self.ticket.as_deref()
        {
            outcome.update(|record| {
                if record.usage.is_some() && record.cost.is_none() {
                    record.cost = price.price(quote, record);
                }
            });
        }
    }

    fn end(self, end: End) {
        if let Some(ticket) = self.ticket {
            ticket.settle(end);
        }
    }
}

impl<P: Price> fmt::Debug for Settle<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settle")
            .field("costs", &self.ticket.is_some())
            .finish_non_exhaustive()
    }
}

/// What a reply has cost, as far as its record tells.
pub(super) fn cost_of(price: &impl Price, record: &Record) -> Option<Nanos> {
    record.cost.or_else(|| price.price(&Quote::new(), record))
}

//! Generating, as slowly as the sandbox was told to, once for all who ask for the same.

use std::time::Duration;

use super::{
    cache::{self, Filling, Found},
    fault::is,
    make::Job,
    reply::{self, Reply},
    route::Operation,
    server::Server,
};

/// One generation that may begin.
pub(super) struct Generation<'a> {
    pub(super) server: &'a Server,
    pub(super) job: &'a Job<'a>,
    /// The publishable key that it is charged to.
    pub(super) bucket: Option<&'a str>,
    /// What it is kept under, if it is.
    pub(super) identity: Option<&'a str>,
    /// Whether what is kept does not count.
    pub(super) fresh: bool,
}

impl Generation<'_> {
    pub(super) async fn reply(&self) -> Reply {
        let (job, latency) = (self.job, self.server.config.latency);
        let head_ms = job.fault.filter(|fault| fault.is("delay"));
        let head = Duration::from_millis(head_ms.map_or(0, |fault| fault.value("head-ms")));
        let texts = matches!(job.route.operation, Operation::Chat | Operation::Text(_));
        if texts && job.parsed.flag("stream") && !is(job.fault, "no-stream") {
            pause(head).await;
            return self.stream();
        }
        let Some(identity) = self.identity else {
            pause(head + latency).await;
            let whole = job.whole();
            self.charge(whole.cost);
            return whole.reply(job.fault);
        };
        match self.server.cache.find(identity, self.fresh) {
            Found::Kept(kept) => kept.reply(identity),
            Found::Running(mut running) => {
                let kept = running.wait_for(Option::is_some).await;
                let kept = kept.ok().and_then(|kept| kept.clone());
                kept.map_or_else(interrupted, |kept| kept.reply(identity))
            }
            Found::Nothing(filling) => self.detached(identity, filling, head + latency).await,
        }
    }

    /// A generation that goes on when its caller has gone: the next one finds it done.
    #[expect(
        clippy::disallowed_methods,
        reason = "a server of its own, on a runtime of its own"
    )]
    async fn detached(&self, identity: &str, filling: Filling, latency: Duration) -> Reply {
        let whole = self.job.whole();
        self.charge(whole.cost);
        let kept = whole.clone().kept();
        let done = tokio::task::spawn(async move {
            pause(latency).await;
            filling.fill(kept);
        });
        if done.await.is_err() {
            return interrupted();
        }
        let mut reply = whole.reply(self.job.fault);
        cache::mark(&mut reply, identity, "MISS");
        reply
    }

    fn stream(&self) -> Reply {
        let answer = self.job.answer();
        self.charge(answer.cost());
        let config = &self.server.config;
        let reply = answer.stream(self.job.parsed, self.job.fault, config);
        let data = reply.body().data();
        let (Some(identity), Some(data)) = (self.identity, data) else {
            return reply;
        };
        let kept = cache::Kept::new("text/event-stream; charset=utf-8", Vec::new(), data);
        let filling = self.server.cache.filling(identity, None);
        let mut reply = reply.map(|body| body.kept(filling, kept));
        cache::mark(&mut reply, identity, "MISS");
        reply
    }

    /// Counts a generation, and books it to its key.
    fn charge(&self, cost: f64) {
        let cost = match self.job.fault.filter(|fault| fault.is("pollen")) {
            Some(fault) => super::chat::count(fault.value("cost-milli")) / 1000.0,
            None => cost,
        };
        self.server.log.generated(cost);
        if let Some(key) = self.bucket {
            self.server.limits.charge(key, cost);
        }
    }
}

/// What the service says when a generation is lost.
fn interrupted() -> Reply {
    reply::whole(
        503,
        "text/plain;charset=UTF-8",
        "Detached generation was interrupted",
    )
}

async fn pause(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}

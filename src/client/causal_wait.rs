//! What a read must be able to see, and the waiting for a replica that has it.
//!
//! Knows the session's writes and `routing.causal_wait`. Must not know how replicas are asked: the topology's followers do that,
//! once for all who wait.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    connections::Side,
    member_choice::{Attempts, Choice},
    refusal,
    run::Client,
    wanted::{Unwanted, while_wanted},
};
use crate::{
    route::{Freshness as Wanted, Route, Target},
    session::Consistency,
    topology::{Freshness, MemberId, Need, PickReason, Seen},
    wire::err::SqlError,
};

/// How much longer than twice its usual time one replica is waited for before all others are asked, too.
const LONGER: Duration = Duration::from_millis(2);

/// How often a session waits to leave its replica for another. For one whose turn it is, so that few sessions use all replicas alike;
/// or for one that is less busy: they all may be busy for a moment, when many reads that waited are served at once.
const MOVES: Duration = Duration::from_secs(1);

/// How long it waits at most for one whose turn it is: its own replica would serve at once.
const FOR_A_TURN: Duration = Duration::from_millis(20);

impl Client {
    /// What a read must be able to see. Of everybody's writes: all that the primary has executed when the statement begins.
    pub(super) fn freshness(&self, route: &Route, attempts: &Attempts) -> Freshness<'_> {
        let causality = &self.session.causality;
        let after = match route.freshness {
            Wanted::Any if route.target != Target::All => return Freshness::Any,
            Wanted::AllWrites => Some(attempts.began),
            Wanted::Any | Wanted::OwnWrites => causality.unknown(),
        };
        let gtids = Some(causality.gtids()).filter(|gtids| !gtids.is_empty());
        match (gtids, after) {
            (None, None) => Freshness::Any,
            (None, Some(instant)) => Freshness::After(instant),
            (Some(gtids), None) => Freshness::Gtid(gtids),
            (Some(gtids), Some(instant)) => Freshness::GtidAfter(gtids, instant),
        }
    }

    /// What it has seen already: no later read goes back.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.connections.seen.filter(|_| self.session.consistency != Consistency::Eventual)
    }

    /// Whether the session may leave the replica that it has read from.
    pub(super) fn may_move(&self, now: Instant) -> bool {
        self.connections.waited_to_move.is_none_or(|at| now >= at + MOVES)
    }

    /// Whether the primary, or a replica that is too busy, would serve only because no other replica is known to have what the
    /// statement must see, and it has not waited for one.
    pub(super) fn may_wait(&self, choice: &Choice, attempts: &Attempts) -> bool {
        let view = self.proxy.topology.view();
        let proves_nothing = |primary: &MemberId| self.may_miss_own_write(&view, *primary);
        let is_worth_it = match choice.because {
            Some(PickReason::NotCaughtUp | PickReason::Outstayed) => true,
            Some(PickReason::Overloaded) => self.may_move(attempts.began),
            _ => false,
        };
        is_worth_it
            && attempts.waits
            && attempts.waited.is_none()
            && !self.proxy.policy.causal_wait.is_zero()
            && !view.assigned_primary.as_ref().is_ok_and(proves_nothing)
    }

    /// Waits until a replica has what the statement must see, for `routing.causal_wait` at most; not at all where that usually
    /// takes longer. Then a member is chosen again.
    pub(super) async fn await_replica(
        &mut self,
        route: &Route,
        choice: &Choice,
        attempts: &mut Attempts,
    ) -> Result<(), SqlError> {
        let mut allowed = self.proxy.policy.causal_wait;
        let begun = Instant::now();
        let moves = matches!(choice.because, Some(PickReason::Overloaded | PickReason::Outstayed));
        let mut need = Need { seen: self.seen(), ..self.freshness(route, attempts).need() };
        if moves {
            self.connections.waited_to_move = Some(begun);
            // It is another member than that one that is wanted.
            need = Need { after: need.instant_for(None), seen: None, ..need };
        }
        let proxy = Arc::clone(&self.proxy);
        // The one that served the session before: what it has read there is not older there.
        let last = self.connections.last_used(Side::Replica).map(|(member, _)| member);
        let first = match choice.because {
            Some(PickReason::Overloaded) => None,
            Some(PickReason::Outstayed) => {
                let avoid: Vec<MemberId> = attempts.avoid.iter().copied().chain(last).collect();
                proxy.topology.view().worth_waiting_for(None, &avoid, begun)
            }
            _ => proxy.topology.view().worth_waiting_for(last, &attempts.avoid, begun),
        };
        let (asks, usual) = first.unzip();
        let mut alone = (usual.unwrap_or_default() * 2 + LONGER).min(allowed / 2);
        if choice.because == Some(PickReason::Outstayed) {
            allowed = allowed.min(FOR_A_TURN);
            alone = allowed;
            attempts.moves_to = asks;
        }
        let Some(mut wait) = proxy.topology.board().wait(need, asks, allowed, begun) else {
            attempts.waited = Some(Duration::ZERO);
            return Ok(());
        };
        let served = async {
            tokio::select! {
                _ = timeout(allowed, wait.served(alone)) => {}
                () = proxy.drain.cancelled() => {}
            }
        };
        let held = proxy.metrics.held();
        let ended = self.while_wanted(&mut attempts.left_at, served).await;
        drop(held);
        proxy.metrics.causal_wait(begun.elapsed());
        attempts.waited = Some(begun.elapsed());
        ended
    }

    /// Waits for members, for as long as anybody wants the statement; else gives the error that ends it.
    pub(super) async fn while_wanted<T>(
        &mut self,
        left_at: &mut Option<Instant>,
        work: impl Future<Output = T>,
    ) -> Result<T, SqlError> {
        let ended = while_wanted(&mut self.stream, &self.registered.handle, left_at, work).await;
        ended.map_err(|unwanted| match unwanted {
            Unwanted::Killed(scope) => refusal::killed_by(scope, self.session.dialect.server),
            Unwanted::Left => {
                // What it has sent ahead is not done without what came before it.
                self.released = true;
                refusal::client_left()
            }
        })
    }
}

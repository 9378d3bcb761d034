//! From a wish (the primary, a replica that is fresh enough) to a leased connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::timeout_at;

use super::{
    bring::waits_for_sync,
    connections::{Side, Used},
    fallback::Turn,
    memory::Memory,
    pin_log::named,
    refusal,
    run::Client,
    settle::give_back,
    verdict::{is_about_the_account, is_about_the_character_set},
};
use crate::{
    backend::DialError,
    pool::{BackendId, Lease, LeaseError, MemberPool, Wish},
    route::{Route, Target},
    topology::{Freshness, Member, MemberId, PickReason, View},
    wire::err::SqlError,
};

/// Pause between two attempts when every member refused at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The most connections that are closed for one statement because they cannot come to have what its session has: fresh ones
/// can, but for what `docs/routing.md` names.
const MOST_UNREACHABLE: usize = 8;

/// The most members that are lost with the same statement before its client is told.
const MOST_LOSSES: usize = 3;

/// What was tried for one statement.
#[derive(Debug)]
pub(super) struct Attempts {
    pub deadline: Instant,
    /// When the work on the statement began.
    pub began: Instant,
    /// Members that did not serve since it was last waited for news of them.
    pub avoid: Vec<MemberId>,
    /// How many times it was sent and its member lost, or refused to begin.
    losses: usize,
    /// How each refused.
    problems: Vec<String>,
    /// It may wait for a replica to have what it must see.
    pub waits: bool,
    /// It need not read where the session has read before.
    pub moves: bool,
    /// It has waited to read there instead.
    pub moves_to: Option<MemberId>,
    /// How long the statement waited for a replica to have what it must see; `None`: it did not.
    pub waited: Option<Duration>,
    /// It may be served by the primary in a replica's place.
    pub turn: Option<Turn>,
    /// When its client was seen to have left.
    pub left_at: Option<Instant>,
    /// Connections that could not come to have what the session has.
    unreachable: usize,
    /// Why it is the primary that serves, though a replica was wanted.
    fell_back: Option<PickReason>,
}

/// The member that was chosen.
pub(super) struct Choice {
    member: Member,
    on_primary: bool,
    pub because: Option<PickReason>,
    lag: Option<Duration>,
}

impl Attempts {
    pub fn new(now: Instant, allowed: Duration) -> Self {
        Attempts {
            deadline: now + allowed,
            began: now,
            avoid: Vec::new(),
            losses: 0,
            problems: Vec::new(),
            waits: true,
            moves: false,
            moves_to: None,
            waited: None,
            turn: None,
            left_at: None,
            unreachable: 0,
            fell_back: None,
        }
    }

    /// This member did not serve.
    pub fn failed(&mut self, member: MemberId, problem: String) {
        self.avoid.push(member);
        if self.problems.len() < 8 && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// This member was lost, or is about to end, after the statement was sent to it.
    pub fn lost(&mut self, member: MemberId, problem: String) {
        self.losses += 1;
        self.failed(member, problem);
    }

    /// Whether a statement whose member was lost may be sent to another one. It may be what members die of.
    pub const fn may_repeat(&self) -> bool {
        self.losses < MOST_LOSSES
    }

    /// Whether it was sent more than once.
    pub const fn was_repeated(&self) -> bool {
        self.losses > 0
    }

    /// A connection was closed because it could not come to have what the session has; the error once that is no accident.
    pub fn unreachable(&mut self, problem: String) -> Result<(), SqlError> {
        self.unreachable += 1;
        if self.unreachable < MOST_UNREACHABLE {
            return Ok(());
        }
        self.problems.push(problem);
        Err(self.refusal())
    }

    fn refusal(&self) -> SqlError {
        let tried = if self.problems.is_empty() { "no member is known".to_owned() } else { self.problems.join("; ") };
        refusal::no_member(&tried, self.began.elapsed())
    }
}

impl Client {
    /// A connection for this side: the one that is held, else a leased one. Waits until the deadline for a member
    /// that can serve.
    pub(super) async fn connect(
        &mut self,
        side: Side,
        route: &Route,
        attempts: &mut Attempts,
    ) -> Result<Used, SqlError> {
        let mut kept = self.connections.take(side);
        if let Some(broken) = kept.take_if(|used| !used.held && !used.lease.parts().0.is_usable()) {
            broken.lease.discard();
        }
        if let Some(used) = kept.take_if(|used| used.held || route.target == Target::Same) {
            self.last_route.member = Some(used.address);
            return Ok(used);
        }
        attempts.moves = side == Side::Replica && self.may_move(attempts.began);
        loop {
            self.renew_causality();
            let choice = self.choose(side, route, attempts);
            match choice {
                Ok(choice) if self.may_wait(&choice, attempts) => {
                    if let Err(error) = Box::pin(self.await_replica(route, &choice, attempts)).await {
                        if let Some(used) = kept {
                            self.connections.keep(side, used);
                        }
                        return Err(error);
                    }
                }
                Ok(choice) if self.needs_turn(side, &choice, attempts) => {
                    if !self.takes_turn(attempts) {
                        // Those whose turn it is may wait for just these connections.
                        if let Some(mut used) = kept.take() {
                            Box::pin(self.keep_answers(&mut used)).await;
                            give_back(used);
                        }
                        Box::pin(self.end_lingering()).await;
                        Box::pin(self.wait_for_turn(attempts)).await?;
                    }
                }
                Ok(choice) => {
                    attempts.turn =
                        attempts.turn.take().filter(|_| choice.because.is_some_and(PickReason::is_fallback));
                    if let Some(mut used) = kept.take() {
                        if used.member == choice.member.id {
                            used.on_primary = choice.on_primary;
                            used.in_flight = Some(choice.member.begin());
                            self.note_choice(side, route, &choice, attempts);
                            return Ok(used);
                        }
                        Box::pin(self.keep_answers(&mut used)).await;
                        give_back(used);
                    }
                    match self.lease(side, &choice, route, &mut attempts.left_at).await? {
                        Ok(used) => {
                            self.note_choice(side, route, &choice, attempts);
                            return Ok(used);
                        }
                        Err(error) => {
                            self.note_refusal(&choice, &error, attempts)?;
                        }
                    }
                }
                Err(problem) => {
                    if !attempts.problems.contains(&problem) && attempts.problems.len() < 8 {
                        attempts.problems.push(problem);
                    }
                    attempts.avoid.clear();
                    if let Some(mut used) = kept.take() {
                        // It may be for others to have before there is a member for this one.
                        Box::pin(self.keep_answers(&mut used)).await;
                        give_back(used);
                    }
                    Box::pin(self.wait_for_change(attempts)).await?;
                }
            }
        }
    }

    /// Behind a new beginning of the primary's history the names of writes mean nothing any more.
    pub(super) fn renew_causality(&mut self) {
        let history = self.proxy.topology.view().history;
        if self.connections.history != history {
            self.connections.history = history;
            self.session.causality.forget_names(Instant::now());
        }
    }

    fn note_choice(&mut self, side: Side, route: &Route, choice: &Choice, attempts: &Attempts) {
        if attempts.moves {
            self.connections.waited_to_move = Some(attempts.began);
        }
        // What begins on the primary for want of a replica was to be a replica's.
        let side = if attempts.fell_back.is_some() { Side::Replica } else { side };
        let because = choice.because.or(attempts.fell_back);
        self.count_causal_read(side, route, because, attempts.waited);
        self.last_route.waited = attempts.waited;
        self.last_route.member = Some(choice.member.address);
        self.last_route.because = because;
        self.last_route.lag = choice.lag;
        self.last_route.sees_own_writes = self.awaits_gtid(side, route);
    }

    fn choose(&self, side: Side, route: &Route, attempts: &Attempts) -> Result<Choice, String> {
        let view = self.proxy.topology.view();
        if route.target == Target::Same
            && let Some(choice) = self.same_member(side, &view, attempts)
        {
            return Ok(choice);
        }
        match side {
            Side::Primary => choose_primary(&view, &attempts.avoid),
            Side::Replica => {
                let need = self.freshness(route, attempts);
                let written_elsewhere = |primary: &MemberId| self.may_miss_own_write(&view, *primary);
                if !matches!(need, Freshness::Any) && view.assigned_primary.as_ref().is_ok_and(written_elsewhere) {
                    // Nothing is proven of that write, not even of the primary before it has caught up.
                    let choice = choose_primary(&view, &attempts.avoid)?;
                    return Ok(Choice { because: Some(PickReason::NotCaughtUp), ..choice });
                }
                let last = self.connections.last_used(Side::Replica).filter(|_| !attempts.moves);
                let prefer = attempts.moves_to.or_else(|| last.map(|(member, _)| member));
                let pick = view
                    .pick_replica(&need, self.seen(), prefer, &attempts.avoid)
                    .map_err(|error| error.to_string())?;
                let member = pick.member;
                let on_primary = pick.because.is_fallback();
                if on_primary && attempts.avoid.contains(&member.member.id) {
                    return Err(format!("{}: tried", member.member.name));
                }
                Ok(Choice { member: member.member.clone(), on_primary, because: Some(pick.because), lag: member.lag })
            }
        }
    }

    /// Whether the primary serves what a replica should, as none has what it must see, nor will have it soon.
    pub(super) async fn falls_back(&mut self, route: &Route, attempts: &mut Attempts) -> bool {
        self.renew_causality();
        let mut choice = self.choose(Side::Replica, route, attempts);
        if let Ok(first) = &choice
            && self.may_wait(first, attempts)
        {
            // Whoever is killed meanwhile, or has left, is found out when the statement begins.
            drop(Box::pin(self.await_replica(route, first, attempts)).await);
            choice = self.choose(Side::Replica, route, attempts);
        }
        let fallen = choice.ok().filter(|choice| choice.on_primary);
        attempts.fell_back = fallen.as_ref().and_then(|choice| choice.because);
        fallen.is_some()
    }

    /// The member that served the previous statement: its connection may still know what is asked.
    fn same_member(&self, side: Side, view: &View, attempts: &Attempts) -> Option<Choice> {
        let (id, _) = self.connections.last_used(side)?;
        let last = view.member(id).filter(|last| last.is_usable() && !attempts.avoid.contains(&id))?;
        let on_primary = view.usable_primary().is_some_and(|primary| primary.member.id == id);
        Some(Choice { member: last.member.clone(), on_primary, because: None, lag: last.lag })
    }

    /// Nobody waits for a connection while keeping another only because the client may ask for what it knows: a few who
    /// do that would wait for each other.
    async fn lease(
        &mut self,
        side: Side,
        choice: &Choice,
        route: &Route,
        left_at: &mut Option<Instant>,
    ) -> Result<Result<Used, LeaseError>, SqlError> {
        let pool = self.proxy.pools.member(choice.member.address);
        let settings = Arc::clone(&self.session.settings);
        let needs_sync = waits_for_sync(&settings)
            || (choice.on_primary && self.may_miss_own_write(&self.proxy.topology.view(), choice.member.id));
        let can = |memory: &Memory| memory.settings.can_become(&settings) && !(needs_sync && memory.ignores_sync_wait);
        let fits = |memory: &Memory| memory.has(&settings);
        let last = self.last_backend(side, choice, route);
        let lease = match pool.lease_now(&self.identity, &Wish { can, last, fits }, Instant::now()) {
            Some(lease) => Ok(lease),
            None => Box::pin(self.lease_in_time(&pool, Wish { can, last, fits }, left_at)).await?,
        };
        Ok(lease.map(|lease| Used {
            lease,
            member: choice.member.id,
            address: choice.member.address,
            on_primary: choice.on_primary,
            held: false,
            in_flight: Some(choice.member.begin()),
        }))
    }

    /// One that must be dialled, or waited for.
    async fn lease_in_time(
        &mut self,
        pool: &Arc<MemberPool<Memory>>,
        wish: Wish<impl Fn(&Memory) -> bool + Copy, impl Fn(&Memory) -> bool + Copy>,
        left_at: &mut Option<Instant>,
    ) -> Result<Result<Lease<Memory>, LeaseError>, SqlError> {
        let identity = Arc::clone(&self.identity);
        match pool.lease_at_once(&identity, wish).await {
            Ok(Some(lease)) => Ok(Ok(lease)),
            Ok(None) => {
                self.end_lingering().await;
                self.while_wanted(left_at, pool.lease(&identity, wish)).await
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn last_backend(&self, side: Side, choice: &Choice, route: &Route) -> Option<BackendId> {
        let by_writes = choice.on_primary && route.target != Target::Same;
        self.last_backend_at(choice.member.id, side, by_writes)
    }

    /// The session's last connection to a member. A read that the primary serves asks for the one that the session's writes
    /// used, if they used any.
    pub(super) fn last_backend_at(&self, member: MemberId, side: Side, by_writes: bool) -> Option<BackendId> {
        let of = |side| self.connections.last_used(side).filter(|(last, _)| *last == member).map(|(_, id)| id);
        if by_writes { of(Side::Primary).or_else(|| of(side)) } else { of(side) }
    }

    /// An account that the primary refuses is refused everywhere. A replica may be late, and know it or its password not
    /// yet: then another member is tried, as for any other reason.
    fn note_refusal(&self, choice: &Choice, error: &LeaseError, attempts: &mut Attempts) -> Result<(), SqlError> {
        match error {
            LeaseError::Dial(DialError::Refused(error)) if is_about_the_character_set(error) => {
                return Err(error.clone());
            }
            LeaseError::Dial(DialError::Refused(error)) if is_about_the_account(error) => {
                if choice.on_primary || !self.proxy.topology.view().has_primary() {
                    return Err(error.clone());
                }
            }
            LeaseError::Dial(DialError::Plugin(plugin)) => {
                return Err(refusal::unspoken_method(&self.login.user, plugin));
            }
            LeaseError::Dial(_) => self.proxy.topology.recheck(),
            LeaseError::Exhausted { .. } | LeaseError::Crowded(_) => {}
        }
        let mut problem = format!("{} ({}): {error}", choice.member.name, choice.member.address);
        if matches!(error, LeaseError::Exhausted { .. }) {
            let pins = self.proxy.metrics.pins_now();
            if !pins.is_empty() {
                problem = format!("{problem}; sessions keep connections of their own by {}", named(&pins));
            }
            self.proxy.pin_log.exhausted(&choice.member.name, &pins);
        }
        attempts.failed(choice.member.id, problem);
        Ok(())
    }

    /// Waits for news from the monitor, a little at least, until the deadline.
    async fn wait_for_change(&mut self, attempts: &mut Attempts) -> Result<(), SqlError> {
        let now = Instant::now();
        if now >= attempts.deadline {
            return Err(attempts.refusal());
        }
        let proxy = Arc::clone(&self.proxy);
        let _held = proxy.metrics.held();
        let mut changed = proxy.topology.changed();
        let until = attempts.deadline.min(now + PAUSE.max(Duration::from_millis(500)));
        let pause = PAUSE.min(attempts.deadline.saturating_duration_since(now));
        let change = async {
            let _ = timeout_at(until.into(), changed.changed()).await;
            tokio::time::sleep(pause).await;
        };
        self.while_wanted(&mut attempts.left_at, change).await
    }
}

fn choose_primary(view: &View, avoid: &[MemberId]) -> Result<Choice, String> {
    let primary = view.open_primary().map_err(|error| error.to_string())?;
    if avoid.contains(&primary.member.id) {
        return Err(format!("{}: tried", primary.member.name));
    }
    Ok(Choice { member: primary.member.clone(), on_primary: true, because: None, lag: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_members_die_of_is_repeated_so_often_however_long_is_waited_between() {
        let mut attempts = Attempts::new(Instant::now(), Duration::from_secs(10));
        assert!(!attempts.was_repeated());
        for _ in 0..MOST_LOSSES {
            assert!(attempts.may_repeat());
            attempts.lost(MemberId(1), "connection reset".to_owned());
            // It is waited for news of the members, and all of them count again.
            attempts.avoid.clear();
        }
        assert!(!attempts.may_repeat() && attempts.was_repeated());
    }

    #[test]
    fn who_cannot_be_dialled_is_no_loss() {
        let mut attempts = Attempts::new(Instant::now(), Duration::from_secs(10));
        attempts.failed(MemberId(1), "connection refused".to_owned());
        assert!(!attempts.was_repeated());
    }
}

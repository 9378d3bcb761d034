//! Makes a session that shows a difference shorter, as long as its last line still shows one.

use std::time::{Duration, Instant};

use super::generator::Plan;
use super::round::{Difference, attempt};
use super::support::raw::Who;
use super::world::World;

/// How long to try.
const PATIENCE: Duration = Duration::from_secs(60);

/// The shortest session found, run alone, and its difference; none when the session alone shows none.
pub fn shrink(world: &World, who: &Who<'static>, plan: &Plan) -> Option<(Plan, Difference)> {
    let deadline = Instant::now() + PATIENCE;
    // On database 0 whatever it ran on before.
    let number = plan.iter().find_map(|line| line.strip_prefix("USE l")?.chars().next());
    let plan = number.map_or(plan.clone(), |number| renamed(plan, number));
    let differs = |plan: &Plan| {
        let found = attempt(world, who, std::slice::from_ref(plan)).pop()?;
        Some((plan[..=found.at].to_vec(), found))
    };
    let mut best = differs(&plan)?;
    let mut step = (best.0.len() / 2).max(1);
    loop {
        let mut end = best.0.len() - 1;
        while end > 0 && Instant::now() < deadline {
            let start = end.saturating_sub(step);
            let mut shorter = best.0.clone();
            shorter.drain(start..end);
            if let Some(found) = differs(&shorter).filter(|(plan, _)| plan.last() == best.0.last()) {
                best = found;
            }
            end = start.min(best.0.len() - 1);
        }
        if step == 1 {
            return Some(best);
        }
        step /= 2;
    }
}

fn renamed(plan: &Plan, number: char) -> Plan {
    plan.iter().map(|line| line.replace(&format!("l{number}"), "l0")).collect()
}

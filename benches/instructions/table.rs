//! What was counted beside what is expected.

use std::fmt::Write;

use crate::counted::Counts;

/// So many hundredths more instructions than expected are allowed, and not one allocation.
pub const ALLOWED: u64 = 5;

/// For people: a line for each load, a column for each who was counted.
pub fn shown(loads: &[&str], columns: &[(&str, Vec<Counts>)]) -> String {
    let mut text = "| one statement: instructions, allocations |".to_owned();
    for (name, _) in columns {
        let _ = write!(text, " {name} |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(columns.len()));
    for (at, load) in loads.iter().enumerate() {
        let _ = write!(text, "\n| {load} |");
        for (_, counts) in columns {
            let Counts { instructions, allocations } = counts[at];
            let _ = write!(text, " {instructions}, {allocations} |");
        }
    }
    text
}

/// As `expected.txt` has it: instructions and allocations behind each name.
pub fn written(loads: &[&str], counts: &[Counts]) -> String {
    let line = |(load, Counts { instructions, allocations }): (&&str, &Counts)| {
        format!("{load} {instructions} {allocations}\n")
    };
    loads.iter().zip(counts).map(line).collect()
}

/// Every load that costs too much, or is not in the table.
pub fn compare(expected: &str, loads: &[&str], counts: &[Counts]) -> Result<(), String> {
    let mut wrong = String::new();
    for (load, seen) in loads.iter().zip(counts) {
        let Some(known) = expected.lines().find_map(|line| read(line.strip_prefix(load)?)) else {
            let _ = writeln!(wrong, "{load}: not in expected.txt");
            continue;
        };
        let slack = known.instructions * ALLOWED / 100;
        if seen.instructions > known.instructions + slack {
            let _ = writeln!(wrong, "{load}: {} instructions, {} were expected", seen.instructions, known.instructions);
        }
        if seen.allocations > known.allocations {
            let _ = writeln!(wrong, "{load}: {} allocations, {} were expected", seen.allocations, known.allocations);
        }
        if seen.instructions < known.instructions - slack {
            println!("{load}: fewer than expected; `make instructions INSTRUCTIONS=--write` keeps it so");
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn read(line: &str) -> Option<Counts> {
    let (instructions, allocations) = line.strip_prefix(' ')?.split_once(' ')?;
    Some(Counts { instructions: instructions.parse().ok()?, allocations: allocations.trim().parse().ok()? })
}

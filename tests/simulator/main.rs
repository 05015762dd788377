//! A simulated world for the planner: servers with replication, Sentinels with views of their own, pods that come and go,
//! clients that write, and an operator that dies between any two of its deeds. It drives the real planner and the real
//! hands, and checks what must hold in every history.
//!
//! `HISTORIES` says how many to play (2,000 without it), `SEED` replays one and prints what happened in it.

#[cfg(test)]
mod council;
#[cfg(test)]
mod history;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod random;
#[cfg(test)]
mod teeth;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::history::{Report, play};
    use super::operator::honest;
    use super::teeth;

    /// Histories in which a fault of the planner was found, and two that end with a question to a person.
    const FOUND: [u64; 12] = [21, 137, 205, 206, 647, 938, 7534, 8039, 9024, 16008, 28146, 39242];

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap())
    }

    /// Plays the histories below `count` on all cores: what happened in them, and the faults by seed.
    fn play_all(count: u64) -> (Report, BTreeMap<u64, String>) {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let next = AtomicU64::new(0);
        let share = || {
            let (mut report, mut faults) = (Report::default(), BTreeMap::new());
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= count {
                    return (report, faults);
                }
                match play(seed, honest, false) {
                    Ok(told) => report.add(&told),
                    Err(fault) => drop(faults.insert(seed, fault)),
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(share)).collect();
            let (mut report, mut faults) = (Report::default(), BTreeMap::new());
            for (told, found) in threads.into_iter().map(|thread| thread.join().unwrap()) {
                report.add(&told);
                faults.extend(found);
            }
            (report, faults)
        })
    }

    #[test]
    fn every_history_ends_well() {
        if let Some(seed) = number("SEED") {
            println!("{:?}", play(seed, honest, true).unwrap());
            return;
        }
        let begun = std::time::Instant::now();
        for seed in FOUND {
            play(seed, honest, false).unwrap_or_else(|fault| panic!("history {seed}: {fault}"));
        }
        let count = number("HISTORIES").unwrap_or(2_000);
        let (report, faults) = play_all(count);
        println!("{report:#?}\n{count} histories in {:.1?}", begun.elapsed());
        for (seed, fault) in faults.iter().take(10) {
            println!("history {seed}: {fault}");
        }
        let seeds: Vec<_> = faults.keys().collect();
        let replay = "replay one with SEED=n cargo test --test simulator -- --nocapture every";
        assert!(faults.is_empty(), "{} histories end badly: {seeds:?}; {replay}", seeds.len());
        assert!(report.handovers > count / 50, "the announcement is hardly ever used: {report:?}");
        assert!(report.left_to_a_person <= count / 1000, "too much is left to a person: {report:?}");
        assert!(report.operator_deaths > count / 50, "the operator hardly ever dies: {report:?}");
    }

    /// A planner with a known fault is found out, or the simulator would prove nothing.
    #[test]
    fn each_known_fault_is_found() {
        for (name, planner) in teeth::FAULTS {
            let found =
                (0..20_000).find_map(|seed| play(seed, planner, false).err().map(|fault| (seed, fault)));
            let (seed, fault) = found.unwrap_or_else(|| panic!("{name}: not found in 20,000 histories"));
            println!("{name}: found in history {seed}: {fault}");
        }
    }
}

//! A simulated world for the planner: servers with replication, Sentinels with views of their own, pods that come and go,
//! clients that write, and an operator that dies between any two of its deeds. It drives the real planner and the real
//! hands, and checks what must hold in every history, of one `RedisFailover` or of two in one network.
//!
//! `HISTORIES` says how many to play (2,000 without it). `SEED` replays one and prints what happened in it: of one
//! `RedisFailover`, or of the world that `KIND` names (`abrupt`, `gradual`, `twins`). `CASE` does so for a small case.

#[cfg(test)]
mod check;
#[cfg(test)]
mod council;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod history;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod random;
#[cfg(test)]
mod reality;
#[cfg(test)]
mod report;
#[cfg(test)]
mod sentinel;
#[cfg(test)]
mod server;
#[cfg(test)]
mod swaps;
#[cfg(test)]
mod teeth;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::history::play;
    use super::operator::honest;
    use super::report::Report;
    use super::world::Kind;
    use super::{swaps, teeth};

    /// Histories in which a fault of the planner was found, and two that end with a question to a person.
    const FOUND: [u64; 12] = [21, 137, 205, 206, 647, 938, 7534, 8039, 9024, 16008, 28146, 39242];
    /// The same with two groups: Sentinels that infected one another for ever, servers that followed an address which their
    /// master's pod had left, a stranger taken for a master that only the Sentinels reach, a handover held up by one.
    const FOUND_OF_TWINS: [u64; 8] = [1, 22, 24, 47, 166, 194, 465, 1586];

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap())
    }

    fn kind() -> Kind {
        match std::env::var("KIND").unwrap_or_default().as_str() {
            "abrupt" => Kind::Abrupt,
            "twins" => Kind::Twins,
            _ => Kind::Gradual,
        }
    }

    fn histories() -> u64 {
        number("HISTORIES").unwrap_or(2_000)
    }

    /// Plays all that are numbered below `count` on all cores: what happened in them. Panics where one ends badly.
    fn play_all(count: u64, play: impl Fn(u64) -> Result<Report, String> + Sync) -> Report {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let (begun, next) = (std::time::Instant::now(), AtomicU64::new(0));
        let share = || {
            let (mut report, mut faults) = (Report::default(), BTreeMap::new());
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= count {
                    return (report, faults);
                }
                match play(seed) {
                    Ok(told) => report.add(&told),
                    Err(fault) => drop(faults.insert(seed, fault)),
                }
            }
        };
        let (report, faults) = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..cores).map(|_| scope.spawn(share)).collect();
            let (mut report, mut faults) = (Report::default(), BTreeMap::new());
            for (told, found) in threads.into_iter().map(|thread| thread.join().unwrap()) {
                report.add(&told);
                faults.extend(found);
            }
            (report, faults)
        });
        println!("{report:#?}\n{count} histories in {:.1?}", begun.elapsed());
        for (seed, fault) in faults.iter().take(10) {
            println!("history {seed}: {fault}");
        }
        let seeds: Vec<_> = faults.keys().collect();
        assert!(
            faults.is_empty(),
            "{} histories end badly: {seeds:?}; SEED, KIND or CASE replays one",
            seeds.len()
        );
        report
    }

    #[test]
    fn every_history_ends_well() {
        if let Some(seed) = number("SEED") {
            println!("{:?}", play(kind(), seed, honest, true).unwrap());
            return;
        }
        for seed in FOUND {
            play(Kind::Abrupt, seed, honest, false).unwrap_or_else(|fault| panic!("history {seed}: {fault}"));
        }
        let count = histories();
        let report = play_all(count, |seed| play(Kind::Gradual, seed, honest, false));
        assert!(report.handovers > count / 50, "the announcement is hardly ever used: {report:?}");
        assert!(report.left_to_a_person <= count / 1000, "too much is left to a person: {report:?}");
        assert!(report.operator_deaths > count / 50, "the operator hardly ever dies: {report:?}");
    }

    #[test]
    fn two_groups_in_one_network_stay_apart() {
        for seed in FOUND_OF_TWINS {
            play(Kind::Twins, seed, honest, false).unwrap_or_else(|fault| panic!("history {seed}: {fault}"));
        }
        let count = histories() / 5;
        let report = play_all(count, |seed| play(Kind::Twins, seed, honest, false));
        assert!(report.left_to_a_person <= 1 + count / 100, "too much is left to a person: {report:?}");
        assert!(report.longest_stay.0 > 0, "they never meet: {report:?}");
    }

    #[test]
    fn every_small_swap_of_addresses_ends_well() {
        let cases = swaps::all();
        let case = |number: u64| &cases[usize::try_from(number).unwrap()];
        if let Some(number) = number("CASE") {
            println!("{:?}", case(number));
            println!("{:?}", swaps::play(case(number), number, honest, true).unwrap());
            return;
        }
        play_all(u64::try_from(cases.len()).unwrap(), |number| {
            let played = swaps::play(case(number), number, honest, false);
            played.map_err(|fault| format!("{:?}: {fault}", case(number)))
        });
    }

    /// A planner with a known fault is found out, or the simulator would prove nothing.
    #[test]
    fn each_known_fault_is_found() {
        let of_one = teeth::FAULTS.map(|(name, planner)| (name, planner, Kind::Abrupt));
        let of_twins = teeth::FAULTS_OF_TWINS.map(|(name, planner)| (name, planner, Kind::Twins));
        for (name, planner, kind) in of_one.into_iter().chain(of_twins) {
            let found = (0..20_000)
                .find_map(|seed| play(kind, seed, planner, false).err().map(|fault| (seed, fault)));
            let (seed, fault) = found.unwrap_or_else(|| panic!("{name}: not found in 20,000 histories"));
            println!("{name}: found in history {seed}: {}", fault.chars().take(200).collect::<String>());
        }
    }
}

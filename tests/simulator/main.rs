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
    use super::history::{Report, play};
    use super::operator::honest;
    use super::teeth;

    /// Histories in which a fault of the planner was found.
    const FOUND: [u64; 7] = [21, 137, 205, 206, 647, 938, 7534];

    fn number(name: &str) -> Option<u64> {
        std::env::var(name).ok().map(|text| text.parse().unwrap())
    }

    /// Plays histories on all cores.
    fn play_all(count: u64) -> Report {
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let share = move |core: u64| {
            let seeds = (0..count).filter(move |seed| seed % cores == core);
            seeds.fold(Report::default(), |sum, seed| {
                let told = play(seed, honest, false).unwrap_or_else(|fault| {
                    panic!(
                        "{fault}\nreplay it with SEED={seed} cargo test --test simulator -- --nocapture every"
                    )
                });
                sum.plus(&told)
            })
        };
        let threads: Vec<_> = (0..cores).map(|core| std::thread::spawn(move || share(core))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .fold(Report::default(), |sum, told| sum.plus(&told))
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
        let report = play_all(count);
        println!("{count} histories in {:.1?}: {report:?}", begun.elapsed());
        assert!(report.handovers > count / 50, "the announcement is hardly ever used: {report:?}");
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

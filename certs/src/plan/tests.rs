use super::*;

const DAY: i64 = 24 * 60 * 60;
const AUTHORITY: Life = life(0, 360 * DAY);
const LEAF: Life = life(0, 90 * DAY);
/// Long enough for every API server.
const SETTLED: Option<i64> = Some(SETTLE);

const fn life(start: i64, end: i64) -> Life {
    Life { not_before: at(start), not_after: at(end) }
}

const fn at(second: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + second, 0)
}

fn authority(life: Life) -> AuthorityFacts {
    AuthorityFacts { life, previous: 0, requested: false }
}

fn leaf(life: Life) -> LeafFacts {
    LeafFacts { life, signed_by: SignedBy::Current, names_match: true, requested: false }
}

#[test]
fn the_clock_renews_each_certificate_at_two_thirds_of_its_life() {
    // Whose leaf is fresh, so that the CA alone is due.
    let fresh = |second| leaf(life(second, second + 90 * DAY));
    let cases = [
        ("fresh", leaf(LEAF), 0, Step::Rest),
        ("before the leaf's two thirds", leaf(LEAF), 60 * DAY - 1, Step::Rest),
        ("the leaf's two thirds", leaf(LEAF), 60 * DAY, Step::Leaf(Reason::Due)),
        ("the leaf's last second", leaf(LEAF), 90 * DAY - 1, Step::Leaf(Reason::Due)),
        ("the leaf expired in a suspended machine", leaf(LEAF), 90 * DAY, Step::Leaf(Reason::Expired)),
        ("before the CA's two thirds", fresh(239 * DAY), 240 * DAY - 1, Step::Rest),
        ("the CA's two thirds", fresh(239 * DAY), 240 * DAY, Step::Authority(Reason::Due)),
        (
            "both are due: the leaf first",
            leaf(life(180 * DAY, 270 * DAY)),
            240 * DAY,
            Step::Leaf(Reason::Due),
        ),
        ("the CA expired in a suspended machine", leaf(LEAF), 360 * DAY, Step::Authority(Reason::Expired)),
        ("a clock that was ahead made them", leaf(LEAF), -1, Step::Authority(Reason::NotYetValid)),
    ];
    for (name, leaf, second, expected) in cases {
        let step = decide(Some(authority(AUTHORITY)), Some(leaf), SETTLED, at(second));
        assert_eq!(step, expected, "{name}");
    }
}

#[test]
fn a_leaf_is_judged_by_its_ca_names_and_time() {
    let cases = [
        ("absent", None, Step::Leaf(Reason::Absent)),
        ("good", Some(leaf(LEAF)), Step::Rest),
        (
            "another CA",
            Some(LeafFacts { signed_by: SignedBy::Unknown, ..leaf(LEAF) }),
            Step::Leaf(Reason::UnknownIssuer),
        ),
        ("other names", Some(LeafFacts { names_match: false, ..leaf(LEAF) }), Step::Leaf(Reason::WrongNames)),
        ("ahead", Some(leaf(life(DAY, 91 * DAY))), Step::Leaf(Reason::NotYetValid)),
        ("asked for", Some(LeafFacts { requested: true, ..leaf(LEAF) }), Step::Leaf(Reason::Requested)),
    ];
    for (name, leaf, expected) in cases {
        assert_eq!(decide(Some(authority(AUTHORITY)), leaf, SETTLED, at(10)), expected, "{name}");
    }
}

#[test]
fn no_leaf_of_another_ca_is_made_before_the_bundle_is_published() {
    let leaves = [
        None,
        Some(LeafFacts { signed_by: SignedBy::Unknown, ..leaf(LEAF) }),
        Some(LeafFacts { signed_by: SignedBy::Previous, ..leaf(LEAF) }),
    ];
    for leaf in leaves {
        assert_eq!(decide(Some(authority(AUTHORITY)), leaf, None, at(10)), Step::Publish, "{leaf:?}");
    }
    let due = Some(leaf(life(-80 * DAY, 10 * DAY)));
    let step = decide(Some(authority(AUTHORITY)), due, None, at(10));
    assert_eq!(step, Step::Leaf(Reason::Due), "a bundle that cannot be written does not stop renewals");
}

/// Plays a whole rotation: each answer is carried out on the facts.
#[test]
fn a_rotation_publishes_both_cas_then_swaps_the_leaf_then_forgets_the_old_ca() {
    let now = 240 * DAY;
    let old_leaf = leaf(life(200 * DAY, 290 * DAY));
    assert_eq!(
        decide(Some(authority(AUTHORITY)), Some(old_leaf), SETTLED, at(now)),
        Step::Authority(Reason::Due)
    );

    let new = life(now - BACKDATE, now + 365 * DAY);
    let both = Some(AuthorityFacts { previous: 1, ..authority(new) });
    let old_leaf = Some(LeafFacts { signed_by: SignedBy::Previous, ..old_leaf });
    assert_eq!(decide(both, old_leaf, None, at(now)), Step::Publish);
    assert_eq!(decide(both, old_leaf, Some(0), at(now)), Step::Wait(SETTLE), "API servers read the bundle");
    let late = at(now + 9 * SETTLE);
    assert_eq!(decide(both, old_leaf, Some(SETTLE - 1), late), Step::Wait(1), "it was published late");
    assert_eq!(
        decide(both, old_leaf, SETTLED, at(now)),
        Step::Leaf(Reason::AuthorityRenewed),
        "a slow clock"
    );

    let new_leaf = Some(leaf(life(now - BACKDATE, now + 90 * DAY)));
    assert_eq!(decide(both, new_leaf, SETTLED, at(now + RETIRE - 1)), Step::Rest, "slow replicas");
    assert_eq!(decide(both, new_leaf, SETTLED, at(now + RETIRE)), Step::ForgetPrevious);
    let alone = Some(authority(new));
    assert_eq!(decide(alone, new_leaf, None, at(now + RETIRE)), Step::Publish);
    assert_eq!(decide(alone, new_leaf, SETTLED, at(now + RETIRE)), Step::Rest);
}

#[test]
fn a_rotation_that_is_asked_for_waits_until_the_one_before_is_through() {
    let asked = AuthorityFacts { requested: true, ..authority(AUTHORITY) };
    let of_previous = LeafFacts { signed_by: SignedBy::Previous, ..leaf(LEAF) };
    let cases = [
        ("at rest", asked, leaf(LEAF), Step::Authority(Reason::Requested)),
        (
            "one runs",
            AuthorityFacts { previous: 1, ..asked },
            of_previous,
            Step::Leaf(Reason::AuthorityRenewed),
        ),
        (
            "one is through",
            AuthorityFacts { previous: 1, ..asked },
            leaf(LEAF),
            Step::Authority(Reason::Requested),
        ),
        ("many were", AuthorityFacts { previous: MOST_PREVIOUS, ..asked }, leaf(LEAF), Step::Rest),
    ];
    for (name, authority, leaf, expected) in cases {
        assert_eq!(decide(Some(authority), Some(leaf), SETTLED, at(10)), expected, "{name}");
    }
    let retired = at(BACKDATE + RETIRE);
    let many = AuthorityFacts { previous: MOST_PREVIOUS, ..asked };
    assert_eq!(
        decide(Some(many), Some(leaf(LEAF)), SETTLED, retired),
        Step::ForgetPrevious,
        "then it goes on"
    );
}

#[test]
fn a_leaf_that_cannot_serve_does_not_wait_for_the_overlap() {
    let both = Some(AuthorityFacts { previous: 1, ..authority(AUTHORITY) });
    let expired = LeafFacts { signed_by: SignedBy::Previous, ..leaf(life(-9, -1)) };
    assert_eq!(decide(both, Some(expired), Some(0), at(0)), Step::Leaf(Reason::Expired));
}

#[test]
fn a_leaf_that_is_due_or_lost_waits_for_the_overlap_all_the_same() {
    let both = Some(AuthorityFacts { previous: 1, ..authority(AUTHORITY) });
    for lost in [None, Some(LeafFacts { signed_by: SignedBy::Unknown, ..leaf(LEAF) })] {
        assert_eq!(
            decide(both, lost, Some(0), at(0)),
            Step::Wait(SETTLE),
            "{lost:?}: one is served from memory"
        );
    }
    let due = LeafFacts { signed_by: SignedBy::Previous, requested: true, ..leaf(life(-80 * DAY, 10 * DAY)) };
    assert_eq!(decide(both, Some(due), Some(0), at(0)), Step::Wait(SETTLE));
}

/// Such a CA comes from a person's hands. Renewing the leaf alone would gain nothing and never end.
#[test]
fn a_ca_whose_life_is_shorter_than_a_leafs_is_renewed_itself() {
    let (authority, leaf) = (authority(life(0, 600)), leaf(life(300, 600)));
    assert_eq!(decide(Some(authority), Some(leaf), SETTLED, at(399)), Step::Rest);
    for second in 400..600 {
        let step = decide(Some(authority), Some(leaf), SETTLED, at(second));
        assert_eq!(step, Step::Authority(Reason::Due), "{second}");
    }
}

#[test]
fn without_a_usable_ca_one_is_made_first() {
    for (leaf, published) in [(None, None), (Some(leaf(LEAF)), SETTLED)] {
        assert_eq!(decide(None, leaf, published, at(0)), Step::Authority(Reason::Absent));
    }
}

#[test]
fn a_certificate_that_others_made_is_served_when_clients_trust_it() {
    let cases = [
        ("the first one", true, false, SETTLED, Adoption::Serve),
        ("the first one, trusted by nobody", false, false, None, Adoption::Serve),
        ("a renewal", true, true, SETTLED, Adoption::Serve),
        ("both CAs in a new bundle", true, true, Some(1), Adoption::Wait(SETTLE - 1)),
        ("the bundle follows later", false, true, SETTLED, Adoption::Refuse),
        ("the bundle was first", true, false, Some(0), Adoption::Serve),
    ];
    for (name, offered, served, published, expected) in cases {
        assert_eq!(adopt(offered, served, published), expected, "{name}");
    }
}

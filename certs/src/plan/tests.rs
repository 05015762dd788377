use super::*;

const DAY: i64 = 24 * 60 * 60;
const AUTHORITY: Life = life(0, 360 * DAY);
const LEAF: Life = life(0, 90 * DAY);

const fn life(start: i64, end: i64) -> Life {
    Life { not_before: at(start), not_after: at(end) }
}

const fn at(second: i64) -> Timestamp {
    Timestamp::constant(1_800_000_000 + second, 0)
}

fn authority(life: Life) -> AuthorityFacts {
    AuthorityFacts { life, previous: None }
}

fn leaf(life: Life) -> LeafFacts {
    LeafFacts { life, signed_by: SignedBy::Current, names_match: true }
}

#[test]
fn the_clock_renews_each_certificate_at_two_thirds_of_its_life() {
    let cases = [
        ("fresh", 0, Step::Rest),
        ("before the leaf's two thirds", 60 * DAY - 1, Step::Rest),
        ("the leaf's two thirds", 60 * DAY, Step::Leaf(Reason::Due)),
        ("the leaf's last second", 90 * DAY - 1, Step::Leaf(Reason::Due)),
        ("the leaf expired while the machine was suspended", 90 * DAY, Step::Leaf(Reason::Expired)),
        ("before the CA's two thirds", 240 * DAY - 1, Step::Leaf(Reason::Expired)),
        ("the CA's two thirds", 240 * DAY, Step::Authority(Reason::Due)),
        ("the CA expired while the machine was suspended", 360 * DAY, Step::Authority(Reason::Expired)),
        ("a clock that was ahead made them", -1, Step::Authority(Reason::NotYetValid)),
    ];
    for (name, second, expected) in cases {
        let step = decide(Some(authority(AUTHORITY)), Some(leaf(LEAF)), true, at(second));
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
    ];
    for (name, leaf, expected) in cases {
        assert_eq!(decide(Some(authority(AUTHORITY)), leaf, true, at(10)), expected, "{name}");
    }
}

#[test]
fn no_leaf_is_made_before_the_bundle_is_published() {
    let leaves = [
        None,
        Some(leaf(life(-80 * DAY, 10 * DAY))),
        Some(LeafFacts { signed_by: SignedBy::Unknown, ..leaf(LEAF) }),
    ];
    for leaf in leaves {
        assert_eq!(decide(Some(authority(AUTHORITY)), leaf, false, at(10)), Step::Publish, "{leaf:?}");
    }
}

/// Plays a whole rotation: each answer is carried out on the facts.
#[test]
fn a_rotation_publishes_both_cas_then_swaps_the_leaf_then_forgets_the_old_ca() {
    let now = 240 * DAY;
    let old_leaf = leaf(life(200 * DAY, 290 * DAY));
    assert_eq!(
        decide(Some(authority(AUTHORITY)), Some(old_leaf), true, at(now)),
        Step::Authority(Reason::Due)
    );

    let new = life(now - BACKDATE, now + 365 * DAY);
    let both = Some(AuthorityFacts { life: new, previous: Some(AUTHORITY) });
    let old_leaf = Some(LeafFacts { signed_by: SignedBy::Previous, ..old_leaf });
    assert_eq!(decide(both, old_leaf, false, at(now)), Step::Publish);
    assert_eq!(decide(both, old_leaf, true, at(now + SETTLE - 1)), Step::Rest, "API servers read the bundle");
    assert_eq!(decide(both, old_leaf, true, at(now + SETTLE)), Step::Leaf(Reason::AuthorityRenewed));

    let new_leaf = Some(leaf(life(now, now + 200 * DAY)));
    assert_eq!(decide(both, new_leaf, true, at(360 * DAY - 1)), Step::Rest, "the overlap lasts");
    assert_eq!(decide(both, new_leaf, true, at(360 * DAY)), Step::ForgetPrevious);
    let alone = Some(authority(new));
    assert_eq!(decide(alone, new_leaf, false, at(360 * DAY)), Step::Publish);
    assert_eq!(decide(alone, new_leaf, true, at(360 * DAY)), Step::Rest);
}

#[test]
fn a_leaf_that_cannot_serve_does_not_wait_for_the_overlap() {
    let both = Some(AuthorityFacts { life: AUTHORITY, previous: Some(AUTHORITY) });
    let expired = LeafFacts { signed_by: SignedBy::Previous, ..leaf(life(-9, -1)) };
    assert_eq!(decide(both, Some(expired), true, at(0)), Step::Leaf(Reason::Expired));
}

#[test]
fn without_a_usable_ca_one_is_made_first() {
    for (leaf, published) in [(None, false), (Some(leaf(LEAF)), true)] {
        assert_eq!(decide(None, leaf, published, at(0)), Step::Authority(Reason::Absent));
    }
}

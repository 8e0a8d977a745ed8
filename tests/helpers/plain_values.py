"""Strategies for the plain values that the codec carries."""

from hypothesis import strategies as st

characters = st.characters(exclude_categories=())  # lone surrogates and NUL included
atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.builds(lambda number, bits: number << bits, st.integers(), st.integers(0, 20_000)),
    st.floats(),
    st.complex_numbers(),
    st.text(characters),
    st.binary(),
)
hashables = st.recursive(atoms, lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=3)))
plain_values = st.recursive(
    st.one_of(atoms, st.sets(hashables, max_size=3), st.dictionaries(hashables, atoms, max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashables, inner, max_size=3),
    ),
    max_leaves=12,
)

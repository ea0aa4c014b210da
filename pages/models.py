"""Every encoder: what it is, where it comes from, how it was trained, and what to compare it with."""

from functools import partial

import streamlit as st

from core import choosing
from core.encoders import partners
from core.encoders.registry import encoders, unreadable
from core.encoders.resident import residents
from core.text import plain
from pages.ui import blocks, models_card, models_download, models_filters, models_own, models_pairs, pickers
from pages.ui.places import said

TABLE_HEIGHT = 420

st.title("Models")
everything = encoders()
here = sum(choosing.state(spec) in choosing.HERE for spec in everything.values())
st.markdown(
    f"{len(everything)} encoders, {here} of them on this machine. Start with a pair that differs in as little as "
    "possible, or look for one below."
)
if held := residents().resident():
    named = ", ".join(f"{plain(one.spec.id)} ({one.megabytes:.0f} MB, {plain(one.device)})" for one in held)
    st.caption(f"In memory now, for everyone on this server: {named}.")
for complaint in unreadable():
    st.warning(said(complaint), icon=":material/warning:")

st.header("Pairs to start with", anchor="pairs")
models_pairs.pairs()


def take(ids: list[str]) -> None:
    rows = st.session_state["models_table"]["selection"]["rows"]
    if rows:
        st.session_state["model"] = ids[rows[0]]


st.header("All encoders", anchor="all")
wanted, sort = models_filters.filters()
found = choosing.choose(wanted, sort)
table = choosing.table(found)
with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.caption(f"{len(found)} of {len(everything)} encoders. Choose a row to open its card below.", width="content")
    if found:
        blocks.csv(table, "Table", "encoders", type="tertiary")
if found:
    percent = {
        name: st.column_config.NumberColumn(
            name, format="%.1f", help=f"Published ImageNet-1k top-1 in percent, {what}."
        )
        for name, what in (
            ("linear", "of a linear probe"),
            ("k-NN", "of nearest neighbours"),
            ("with labels", "of the whole network trained or fine-tuned with labels"),
        )
    }
    st.dataframe(
        table,
        hide_index=True,
        height=min(TABLE_HEIGHT, 38 + 35 * len(found)),
        key="models_table",
        on_select=partial(take, list(table["id"])),
        selection_mode="single-row",
        column_order=[name for name in table.columns if name != "id"],
        placeholder="–",
        column_config=percent
        | {
            "encoder": st.column_config.TextColumn(pinned=True, width="medium"),
            "MB": st.column_config.NumberColumn(format="%.0f", help="To download, heads included; empty if unknown."),
        },
        alt=f"Table of {len(found)} encoders with regime, method, data, published accuracy, licence and state; the "
        f"first is {found[0].label}.",
    )
else:
    st.info("No encoder fits these filters.", icon=":material/filter_alt_off:")

cards = {id: everything[id].label for id in partners.order(everything)}
id = pickers.one(
    "Card of", cards, "model", help="Type to search. The address holds the choice, so the card can be linked."
)
spec = everything[id]
download = models_card.card(spec)
slot = st.container()

st.header("Bring your own", anchor="own")
models_own.form()

# Last, so that nothing of the page waits for it.
if download:
    with slot:
        models_download.run(spec)

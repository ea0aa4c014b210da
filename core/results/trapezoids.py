"""The area under each image's curve over strength, in SQL: of one cell at a time, whose rows are grouped by two names.

The curve starts at (0, 1), distances are those from the identity, and the area is divided by the largest one.
"""

_MINE = "SELECT * FROM invariance WHERE encoder = $encoder AND dataset = $dataset"
# All images of a cell have the same strengths. So each value has a share of the area that is the same for all, and an
# area is one weighted sum; `each` sums to 1 over the rows of an image and augmentation.
_SHARES = f"""
    WITH mine AS ({_MINE}), tried AS (
        SELECT *, abs(strength - identity) AS s
        FROM (SELECT DISTINCT augmentation, strength, seed FROM mine) JOIN kinds USING (augmentation)
    ), steps AS (
        SELECT augmentation, s, count(*) AS views FROM tried GROUP BY ALL
    ), weighted AS (
        SELECT augmentation, s, 1 / sum(views) OVER curve AS each, min(s) OVER curve / 2 / max(s) OVER curve AS start,
            (coalesce(lead(s) OVER path, s) - coalesce(lag(s) OVER path, 0)) / 2 / max(s) OVER curve / views AS share
        FROM steps WINDOW curve AS (PARTITION BY augmentation), path AS (PARTITION BY augmentation ORDER BY s)
    ), shares AS (
        SELECT DISTINCT augmentation, strength, each, share, start FROM tried JOIN weighted USING (augmentation, s)
    )
"""
AREAS = (
    _SHARES
    + """
    SELECT augmentation, sample_id, sum(share * ({value})) + any_value(start) AS area,
        count(*) > count({value}) AS unknown
    FROM mine JOIN shares USING (augmentation, strength) GROUP BY augmentation, sample_id
"""
)
"""Augmentation, sample_id, area, and how many views have no value; where there are any, `PATHS` counts."""
PATHS = f"""
    WITH points AS (
        SELECT augmentation, sample_id, abs(strength - identity) AS s, avg({{value}}) AS v
        FROM ({_MINE}) JOIN kinds USING (augmentation)
            SEMI JOIN (SELECT augmentation, sample_id FROM ({_MINE}) WHERE ({{value}}) IS NULL)
                USING (augmentation, sample_id)
        WHERE ({{value}}) IS NOT NULL
        GROUP BY augmentation, sample_id, abs(strength - identity)
    ), lines AS (
        SELECT *, coalesce(lag(s) OVER path, 0) AS s0, coalesce(lag(v) OVER path, 1) AS v0
        FROM points WINDOW path AS (PARTITION BY augmentation, sample_id ORDER BY s)
    )
    SELECT augmentation, sample_id, sum((s - s0) * (v + v0) / 2) / max(s) AS area
    FROM lines GROUP BY augmentation, sample_id
"""
"""The same of the images that lack some: there the path goes from a view's neighbour to its neighbour."""
MEAN = "sum(share * ({value}) + each * start) / sum(each)"
MEANS = _SHARES + "SELECT sum(each) AS areas, {means} FROM mine JOIN shares USING (augmentation, strength)"
"""Mean area over images and augmentations of several values at once, each by `MEAN`, and how many areas these are."""

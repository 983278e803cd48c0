-- The {rows} dearest groups, and how many there are: without the figures of all others.
SELECT key, count() OVER () AS groups
FROM
(
FIGURES
)
ORDER BY cost_usd DESC, calls DESC, key, provider
LIMIT {rows:UInt32}

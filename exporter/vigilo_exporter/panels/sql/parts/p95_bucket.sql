            sumMap(Buckets) AS counted,
            mapValues(counted) AS calls,
            arrayFirst(
                (bucket, place) -> arraySum(arraySlice(calls, 1, place)) >= arraySum(calls) * 0.95,
                mapKeys(counted), arrayEnumerate(calls)
            ) AS p95_bucket

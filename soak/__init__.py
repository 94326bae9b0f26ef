"""Long runs: a steady load, and a random fault each minute; `nox -s soak`.

| module | what is in it |
| --- | --- |
| `__main__` | the command: brings up a lab of its own, runs, reports, deletes the lab |
| `faults` | what is broken and undone, in an order that a seed fixes |
| `minutes` | the run: each minute a fault, its undo, and a quiet time; which requests belong to which |
| `growth` | memory, open files, connections and objects, and whether they grow |
| `report` | the table and the JSON |

The clock is not stepped: containers share the machine's clock (time_namespaces(7) separates only CLOCK_MONOTONIC and
CLOCK_BOOTTIME), so a step would be one of the whole machine.
"""

"""What the lab needs of the machine it runs on: a container engine, privileges, room.

`checks` looks (the doctor), `prepare` puts right what it may, `engine` and `runtime` know how.
"""

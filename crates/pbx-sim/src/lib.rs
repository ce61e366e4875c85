//! A PBX to try it on: call model, CSTA server, traffic, replay

package sim

import (
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// BenchmarkOptions is the configuration of the balancing experiment for a
// control period. It differs from the daemon's default in these parameters
// only:
//
//   - samples each 10 s, smoothed over 10 s: the traces are of whole VMs and
//     carry no measurement noise, so one sample above the mark counts (1 of 1);
//   - the marks: hosts take in up to 72 % and give until they are below 78 %,
//     for the fleet's mean is 60 % and the experiment scores nothing but the
//     time above 80 %;
//   - cooldown 5 min to 1 h and no settling, for migrations take 10 to 30 s;
//   - eight moves out of and four into a host at once, as the experiment limits
//     neither, a gain of one point, and refusals are forgotten after 20 s;
//   - the horizon: half the period, which is how far the next decision is away
//     on average, and 15 s for the migration.
func BenchmarkOptions(period time.Duration) Options {
	c := policy.DefaultConfig()
	c.SamplesOver, c.SamplesWindow = 1, 1
	c.Marks.Receive, c.Marks.Stop = 0.72, 0.78
	c.MinGain = 0.01
	c.Cooldown, c.CooldownMax, c.CooldownWindow = 5*time.Minute, time.Hour, time.Hour
	c.Settle = time.Second
	c.MaxInbound, c.MaxOutbound, c.MaxMoves = 4, 8, 8
	c.RefusedBackoff = 20 * time.Second
	c.Bandwidth = policy.Bytes(MigrationBandwidth * 1e6)
	return Options{
		Policy: c, Mode: policy.AutoMode, TimeConstant: 10 * time.Second, Horizon: period/2 + 15*time.Second,
		SampleEvery: 10 * time.Second, Period: period, GossipDelay: 10 * time.Second, Attempts: 10,
	}
}

// DaemonOptions is the daemon's default configuration, as it is installed.
func DaemonOptions() Options {
	c := policy.DefaultConfig()
	c.Swaps, c.ReturnWindow = true, 2*time.Hour
	c.Bandwidth = policy.Bytes(MigrationBandwidth * 1e6)
	return Options{
		Policy: c, Mode: policy.AutoMode, TimeConstant: 40 * time.Second, Horizon: 40 * time.Second,
		SampleEvery: 20 * time.Second, Period: 20 * time.Second, GossipDelay: 10 * time.Second, Attempts: 3,
	}
}

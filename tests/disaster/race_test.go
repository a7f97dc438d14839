//go:build race

package disaster_test

const raceDetector = true

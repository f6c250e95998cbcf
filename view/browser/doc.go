// Package browser holds the tests that drive "ffcv view" in a real browser, as a
// person would: it is a module of its own, since what drives the browser is
// needed for nothing else.
//
//	go test -run ^TestBrowser ./...
//
// The browser is Chromium or Chrome: $BETONGO_CHROMIUM, or chromium,
// chromium-browser, google-chrome in the path. Without one the tests are skipped,
// unless BETONGO_BROWSER is "required". Pictures of what was seen go to the folder
// that $BETONGO_ARTEFACTS names; without that, to one that goes with the test.
package browser

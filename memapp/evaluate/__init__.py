"""How good and how fast memapp is: data sets, metrics, and the logic behind `memapp bench`."""

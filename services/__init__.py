"""The five services of Parley and the code they share. No service imports a sibling."""
